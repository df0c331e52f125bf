-- Enlarge a hold whose call outran it. Refuses rather than let a balance fall below zero.
-- KEYS: balance, holds [, token]
-- ARGV: request id, extra amount
-- Returns {0, balance left, loaded at} | {1, balance} user short | {2, balance} token short | {3, what is not loaded} | {5} no hold
local hold = redis.call('HGET', KEYS[2], ARGV[1])
if not hold then
  return {5}
end
local amount, token, key = string.match(hold, '^(%d+) (%d+) (.*)$')
local known = redis.call('HMGET', KEYS[1], 'q', 'v')
local limited = token ~= '0' and KEYS[3]
local left = limited and redis.call('HGET', KEYS[3], 'q')
if not known[1] or (limited and not left) then
  return {3, (known[1] and 0 or 1) + ((limited and not left) and 2 or 0)}
end
local extra = tonumber(ARGV[2])
if tonumber(known[1]) < extra then
  return {1, tonumber(known[1])}
end
if limited and tonumber(left) < extra then
  return {2, tonumber(left)}
end
redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', tonumber(amount) + extra) .. ' ' .. token .. ' ' .. key)
redis.call('HINCRBY', KEYS[1], 'q', '-' .. ARGV[2])
if limited then
  redis.call('HINCRBY', KEYS[3], 'q', '-' .. ARGV[2])
end
return {0, tonumber(known[1]) - extra, known[2]}
