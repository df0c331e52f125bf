-- Set the hot balance from the truth: SQL at a stream position, minus what was settled after it, minus open holds.
-- KEYS: balance, epoch, stream
-- ARGV: epoch seen before SQL was read, user id, quota, stream position already counted, now in ms, lifetime in s,
--       limited token id or 0, remaining quota of the token [, 'audit': compare, change nothing]
-- Returns {1} loaded, {0} the epoch has moved: read SQL again,
--         auditing {2, hot, expected, token hot, token expected}; an absent figure is ''
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then
  return {0}
end
local quota, remaining, token = tonumber(ARGV[3]), tonumber(ARGV[8]), ARGV[7]
for _, entry in ipairs(redis.call('XRANGE', KEYS[3], '(' .. ARGV[4], '+')) do
  local field = entry[2]
  if field[2] == ARGV[2] then
    quota = quota - tonumber(field[6])
    if field[4] == token then
      remaining = remaining - tonumber(field[6])
    end
  end
end
local known, old = redis.call('HGETALL', KEYS[1]), {}
local had_balance, had_token = false, false
for i = 1, #known, 2 do
  local name = known[i]
  local first = string.sub(name, 1, 1)
  if first == 'h' then
    local amount, held = string.match(known[i + 1], '^(%d+) (%d+)')
    quota = quota - tonumber(amount)
    if held == token then
      remaining = remaining - tonumber(amount)
    end
  elseif name == 'q' then
    had_balance = true
  elseif first == 't' then
    old[#old + 1] = name
    had_token = had_token or name == 't' .. token
  end
end
if ARGV[9] then
  local hot = redis.call('HMGET', KEYS[1], 'q', 't' .. token)
  return {2, hot[1] or '', quota, hot[2] or '', remaining}
end
-- Other tokens' figures are from an earlier load: keep them only where this load adds one token to a valid balance.
if #old > 0 and not (had_balance and token ~= '0' and not had_token) then
  redis.call('HDEL', KEYS[1], unpack(old))
end
redis.call('HSET', KEYS[1], 'q', quota, 'v', ARGV[5])
if token ~= '0' then
  redis.call('HSET', KEYS[1], 't' .. token, remaining)
end
redis.call('EXPIRE', KEYS[1], ARGV[6])
return {1}
