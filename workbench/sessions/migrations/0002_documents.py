from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workbench_sessions", "0001_sessions")]

    operations = [
        migrations.AddField("session", "seq", models.PositiveBigIntegerField(default=0)),
        migrations.AddField("session", "folded", models.PositiveBigIntegerField(default=0)),
        migrations.AddField(
            "sessionupdate",
            "seq",
            models.PositiveBigIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            "sessionupdate",
            models.UniqueConstraint(fields=("session", "seq"), name="update_once"),
        ),
    ]
