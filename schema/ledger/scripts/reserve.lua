-- Hold quota for calls of one user and token, one after the other. Refuses rather than let a balance fall below zero.
-- Repeating it changes nothing.
-- KEYS: balance, holders, then the idempotency keys of the calls that have one
-- ARGV: limited token id or 0, user id, lifetime of idempotency keys in s, then for each call:
--       request id, amount, deadline, digest of its idempotency key or ''
-- Returns {1 = user not loaded, 2 = token, 3 = both} alone, or when the balance was loaded (Unix ms) and then for each call
--         0, balance left | 1, balance: user short | 2, balance: token short
--         | 4, request id that used the idempotency key and has ended | 5, request id that is still open
local token = ARGV[1]
local limited = token ~= '0'
local names = {'q', 'v', 'i', 't' .. token}
for i = 4, #ARGV, 4 do
  names[#names + 1] = 'h' .. ARGV[i]
end
local known = redis.call('HMGET', KEYS[1], unpack(names))
if not known[1] then
  return {limited and 3 or 1}
end
if limited and not known[4] then
  return {2}
end
local balance, left = tonumber(known[1]), limited and tonumber(known[4])
local answer, holds, named = {known[2]}, {}, 2
for i = 4, #ARGV, 4 do
  local name, amount, digest = 'h' .. ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 3]
  local key, code, value
  if digest ~= '' then
    named = named + 1
    key = KEYS[named]
    local earlier = redis.call('GET', key)
    if earlier and earlier ~= ARGV[i] then
      local open = holds['h' .. earlier] or redis.call('HEXISTS', KEYS[1], 'h' .. earlier) == 1
      code, value = open and 5 or 4, earlier
    end
  end
  if code then
    -- used before
  elseif known[4 + i / 4] or holds[name] then
    code, value = 0, balance
  elseif balance < amount or balance <= 0 then
    code, value = 1, balance
  elseif limited and (left < amount or left <= 0) then
    code, value = 2, left
  else
    balance = balance - amount
    left = limited and left - amount
    holds[name] = true
    holds[#holds + 1] = name
    holds[#holds + 1] = ARGV[i + 1] .. ' ' .. token .. ' ' .. ARGV[i + 2] .. ' 0 ' .. digest
    if key then
      redis.call('SET', key, ARGV[i], 'EX', ARGV[3])
    end
    code, value = 0, balance
  end
  answer[#answer + 1] = code
  answer[#answer + 1] = value
end
if #holds > 0 then
  if not known[3] then
    redis.call('SADD', KEYS[2], ARGV[2])
    holds[#holds + 1] = 'i'
    holds[#holds + 1] = 1
  end
  if limited then
    holds[#holds + 1] = 't' .. token
    holds[#holds + 1] = left
  end
  redis.call('HSET', KEYS[1], 'q', balance, unpack(holds))
end
return answer
