-- Give a hold back: the call failed before anything was answered. Without a hold it changes nothing.
-- KEYS: balance, checkpoint
-- ARGV: request id, prefix of idempotency keys
-- Returns 1 released, 0 there was no hold
local id = 'h' .. ARGV[1]
local hold = redis.call('HGET', KEYS[1], id)
if not hold then
  return 0
end
local amount, token, relayed, digest = string.match(hold, '^(%d+) (%d+) %d+ (%d) (.*)$')
redis.call('HDEL', KEYS[1], id)
for _, name in ipairs({'q', 't' .. token}) do
  if redis.call('HEXISTS', KEYS[1], name) == 1 then
    redis.call('HINCRBY', KEYS[1], name, amount)
  end
end
if relayed == '1' then
  redis.call('DEL', KEYS[2])
end
if digest ~= '' then
  redis.call('DEL', ARGV[2] .. digest)
end
return 1
