"""The platforms there are. A new one is its module and its line here."""

from schema.tasks.midjourney import Midjourney
from schema.tasks.platform import Platform
from schema.tasks.suno import Suno
from schema.tasks.video import Video

PLATFORMS: dict[str, Platform] = {platform.name: platform for platform in (Midjourney(), Suno(), Video())}
