-- What a call really used of its user's tokens per minute, in place of the guess with which it was admitted.
-- KEYS: times of calls with tokens, their tokens (and `s`, the sum), successful calls
-- ARGV: now ms, window ms, request id, tokens (0: it failed and used none; its place among the successful ones is free too)
local old = tonumber(redis.call('HGET', KEYS[2], ARGV[3]) or '0')
local used = tonumber(ARGV[4])
if used == 0 then
  redis.call('ZREM', KEYS[3], ARGV[3])
end
if old == 0 and used == 0 then
  return 0
end
redis.call('HINCRBY', KEYS[2], 's', used - old)
if used == 0 then
  redis.call('HDEL', KEYS[2], ARGV[3])
  redis.call('ZREM', KEYS[1], ARGV[3])
else
  redis.call('HSET', KEYS[2], ARGV[3], used)
  redis.call('ZADD', KEYS[1], ARGV[1], ARGV[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
