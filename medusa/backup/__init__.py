"""A copy of the books at one moment, and the way back: databases, and the usage records that they do not have yet."""
