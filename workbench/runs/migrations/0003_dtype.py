from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0002_environment'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='dtype',
            field=models.CharField(default='auto', max_length=10),
        ),
    ]
