-- A worker says that it lives, and learns who else does; those that have not said so in time are forgotten.
-- KEYS: workers
-- ARGV: name of the worker, for how long to believe it in ms
-- Returns the names of all that live
local seconds = redis.call('TIME')[1]
local now = tonumber(seconds) * 1000
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
return redis.call('ZRANGE', KEYS[1], 0, -1)
