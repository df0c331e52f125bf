-- Enlarge a hold whose call outran it. Refuses rather than let a balance fall below zero.
-- KEYS: balance
-- ARGV: request id, extra amount
-- Returns {0, balance left, loaded at} | {1, balance} user short | {2, balance} token short | {3, what is not loaded} | {5} no hold
local id = 'h' .. ARGV[1]
local hold = redis.call('HGET', KEYS[1], id)
if not hold then
  return {5}
end
local amount, token, rest = string.match(hold, '^(%d+) (%d+) (.*)$')
local limited = token ~= '0'
local known = redis.call('HMGET', KEYS[1], 'q', 'v', 't' .. token)
if not known[1] then
  return {3, limited and 3 or 1}
end
local extra, balance = tonumber(ARGV[2]), tonumber(known[1])
if balance < extra then
  return {1, balance}
end
if limited then
  if not known[3] then
    return {3, 2}
  end
  local left = tonumber(known[3])
  if left < extra then
    return {2, left}
  end
  redis.call('HSET', KEYS[1], 't' .. token, left - extra)
end
local grown = string.format('%.0f', tonumber(amount) + extra) .. ' ' .. token .. ' ' .. rest
redis.call('HSET', KEYS[1], 'q', balance - extra, id, grown)
return {0, balance - extra, known[2]}
