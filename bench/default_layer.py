"""The product's settings with the default layer of channels_redis, the peer of ours."""

from workbench.settings import *  # noqa: F403
from workbench.settings import CHANNEL_LAYERS

CHANNEL_LAYERS["default"]["BACKEND"] = "channels_redis.core.RedisChannelLayer"
