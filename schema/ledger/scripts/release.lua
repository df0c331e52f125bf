-- Give a hold back: the call failed before anything was answered. Without a hold it changes nothing.
-- KEYS: balance, holds, deadlines, checkpoint [, token]
-- ARGV: request id, member of deadlines
-- Returns 1 released, 0 there was no hold
local hold = redis.call('HGET', KEYS[2], ARGV[1])
if not hold then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('DEL', KEYS[4])
local amount, token, key = string.match(hold, '^(%d+) (%d+) (.*)$')
if redis.call('HEXISTS', KEYS[1], 'q') == 1 then
  redis.call('HINCRBY', KEYS[1], 'q', amount)
end
if token ~= '0' and KEYS[5] and redis.call('HEXISTS', KEYS[5], 'q') == 1 then
  redis.call('HINCRBY', KEYS[5], 'q', amount)
end
if key ~= '' then
  redis.call('DEL', key)
end
return 1
