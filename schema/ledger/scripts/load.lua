-- Set the hot balance from the truth: SQL at a stream position, minus what was settled after it, minus open holds.
-- KEYS: balance, holds, epoch, stream [, token]
-- ARGV: epoch seen before SQL was read, user id, quota, stream position already counted, now in ms, lifetime in s
--       [, token id, remaining quota of the token]
-- Returns 1 loaded, 0 the epoch has moved: read SQL again
if (redis.call('GET', KEYS[3]) or '0') ~= ARGV[1] then
  return 0
end
local quota, remaining = tonumber(ARGV[3]), tonumber(ARGV[8] or '0')
for _, entry in ipairs(redis.call('XRANGE', KEYS[4], '(' .. ARGV[4], '+')) do
  local field = entry[2]
  if field[2] == ARGV[2] then
    quota = quota - tonumber(field[6])
    if field[4] == ARGV[7] then
      remaining = remaining - tonumber(field[6])
    end
  end
end
for _, hold in ipairs(redis.call('HVALS', KEYS[2])) do
  local amount, token = string.match(hold, '^(%d+) (%d+)')
  quota = quota - tonumber(amount)
  if token == ARGV[7] then
    remaining = remaining - tonumber(amount)
  end
end
redis.call('HSET', KEYS[1], 'q', string.format('%.0f', quota), 'v', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[6])
if KEYS[5] then
  redis.call('HSET', KEYS[5], 'q', string.format('%.0f', remaining), 'v', ARGV[5])
  redis.call('EXPIRE', KEYS[5], ARGV[6])
end
return 1
