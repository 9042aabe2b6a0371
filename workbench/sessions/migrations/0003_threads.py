from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workbench_sessions", "0002_documents")]

    operations = [
        migrations.AddField("session", "said", models.PositiveBigIntegerField(default=0)),
        migrations.AddField("thread", "said", models.PositiveBigIntegerField(default=0)),
    ]
