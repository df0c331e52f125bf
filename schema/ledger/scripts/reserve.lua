-- Hold quota for one call. Refuses rather than let a balance fall below zero. Repeating it changes nothing.
-- KEYS: balance, holds, deadlines, token (not looked at when the token is not limited) [, idempotency key]
-- ARGV: request id, amount, deadline, member of deadlines, limited token id or 0, idempotency lifetime in s
-- Returns {0, balance left, loaded at, token loaded at} | {1, balance} user short | {2, balance} token short
--         | {3, 1 = user not loaded, 2 = token, 3 = both} | {4, request id, 1 = still open}
local limited = ARGV[5] ~= '0'
local known = redis.call('HMGET', KEYS[1], 'q', 'v')
local token = limited and redis.call('HMGET', KEYS[4], 'q', 'v')
if KEYS[5] then
  local earlier = redis.call('GET', KEYS[5])
  if earlier and earlier ~= ARGV[1] then
    return {4, earlier, redis.call('HEXISTS', KEYS[2], earlier)}
  end
end
if not known[1] or (limited and not token[1]) then
  return {3, (known[1] and 0 or 1) + ((limited and not token[1]) and 2 or 0)}
end
local amount, balance = tonumber(ARGV[2]), tonumber(known[1])
if balance < amount or balance <= 0 then
  return {1, balance}
end
if limited then
  local left = tonumber(token[1])
  if left < amount or left <= 0 then
    return {2, left}
  end
end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[5] .. ' ' .. (KEYS[5] or '')) == 0 then
  return {0, balance, known[2], limited and token[2] or known[2]}
end
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[4])
redis.call('HINCRBY', KEYS[1], 'q', '-' .. ARGV[2])
if limited then
  redis.call('HINCRBY', KEYS[4], 'q', '-' .. ARGV[2])
end
if KEYS[5] then
  redis.call('SET', KEYS[5], ARGV[1], 'EX', ARGV[6])
end
return {0, balance - amount, known[2], limited and token[2] or known[2]}
