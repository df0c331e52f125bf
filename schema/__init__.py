"""What edge and workers share. Whoever imports any of it, and so every process of ours, logs without secrets from then on."""

from schema.log_secrets import log_for_people

log_for_people()
