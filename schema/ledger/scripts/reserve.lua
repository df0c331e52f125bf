-- Hold quota for one call. Refuses rather than let a balance fall below zero. Repeating it changes nothing.
-- KEYS: balance, holders [, idempotency key]
-- ARGV: request id, amount, deadline, limited token id or 0, user id, idempotency digest or '', its lifetime in s
-- Returns {0, balance left, loaded at} | {1, balance} user short | {2, balance} token short
--         | {3, 1 = user not loaded, 2 = token, 3 = both} | {4, request id, 1 = still open}
local id, token = 'h' .. ARGV[1], ARGV[4]
if KEYS[3] then
  local earlier = redis.call('GET', KEYS[3])
  if earlier and earlier ~= ARGV[1] then
    return {4, earlier, redis.call('HEXISTS', KEYS[1], 'h' .. earlier)}
  end
end
local limited = token ~= '0'
local known = limited and redis.call('HMGET', KEYS[1], 'q', 'v', 'i', id, 't' .. token)
  or redis.call('HMGET', KEYS[1], 'q', 'v', 'i', id)
if not known[1] then
  return {3, limited and 3 or 1}
end
local amount, balance = tonumber(ARGV[2]), tonumber(known[1])
if known[4] then
  return {0, balance, known[2]}
end
local left
if limited then
  if not known[5] then
    return {3, 2}
  end
  left = tonumber(known[5])
end
if balance < amount or balance <= 0 then
  return {1, balance}
end
if limited and (left < amount or left <= 0) then
  return {2, left}
end
local hold = ARGV[2] .. ' ' .. token .. ' ' .. ARGV[3] .. ' 0 ' .. ARGV[6]
if limited then
  redis.call('HSET', KEYS[1], 'q', balance - amount, 't' .. token, left - amount, id, hold)
else
  redis.call('HSET', KEYS[1], 'q', balance - amount, id, hold)
end
if not known[3] then
  redis.call('SADD', KEYS[2], ARGV[5])
  redis.call('HSET', KEYS[1], 'i', 1)
end
if KEYS[3] then
  redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[7])
end
return {0, balance - amount, known[2]}
