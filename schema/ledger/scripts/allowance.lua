-- Charge ended calls to an edge's allowance, and make it larger or smaller. An allowance is a hold that many calls share.
-- Without it the records may have been settled before: they are marked for a check and the balance reloads from SQL.
-- KEYS: balance, stream, epoch, holders
-- ARGV: user id, limited token id or 0, name, deadline, epoch lifetime in s, share,
--       quota that is asked for (below 0: given back), 1 = it ends, 2 = it is new, sum of the records' quotas, the records packed or ''
-- It grows no further than to one part in `share` of what the account has.
-- Returns {0 charged | 1 charged, but the balance is not loaded | 2 there was no allowance, quota granted,
--          the most that this allowance may be now, when the balance was loaded}
local token, name, records = ARGV[2], 'h' .. ARGV[3], ARGV[10]
local limited = token ~= '0'
local asked, ends, quota = tonumber(ARGV[7]), ARGV[8] == '1', tonumber(ARGV[9])
local known = redis.call('HMGET', KEYS[1], name, 'q', 'v', 'i', 't' .. token)
local balance, left = tonumber(known[2]), limited and tonumber(known[5])
local loaded = balance and (left or not limited)
local amount = known[1] and tonumber(string.match(known[1], '^%d+'))
if not amount and ARGV[8] ~= '2' then
  if records ~= '' then
    redis.call('XADD', KEYS[2], '*', 'u', ARGV[1], 't', token, 'q', ARGV[9], 'p', records, 'l', '1')
    redis.call('INCR', KEYS[3])
    redis.call('EXPIRE', KEYS[3], ARGV[5])
    redis.call('HDEL', KEYS[1], 'q')
  end
  return {2, 0, 0, known[3] or '0'}
end
local before = amount or 0
if records ~= '' then
  redis.call('XADD', KEYS[2], '*', 'u', ARGV[1], 't', token, 'q', ARGV[9], 'p', records)
  before = before - quota
end
local over = math.min(before, 0) -- calls that cost more than was set aside: the balance pays
balance, left = balance and balance + over, left and left + over
before = before - over
amount = before
local most = loaded and math.max(math.floor((math.min(balance, left or balance) + amount) / tonumber(ARGV[6])), 0) or 0
local granted = 0
if ends then
  amount = 0
elseif asked < 0 then
  amount = math.max(amount + asked, 0)
elseif loaded then
  granted = math.max(math.min(asked, most - amount), 0)
  amount = amount + granted
end
local rest = before - amount -- goes back to the balance; below 0: the allowance grew
local fields = {}
if amount > 0 then
  fields = {name, string.format('%.0f', amount) .. ' ' .. token .. ' ' .. ARGV[4] .. ' 0 '}
  if not known[1] and not known[4] then
    redis.call('SADD', KEYS[4], ARGV[1])
    fields[3], fields[4] = 'i', 1
  end
elseif known[1] then
  redis.call('HDEL', KEYS[1], name)
end
if rest ~= 0 or over ~= 0 then
  if balance then
    fields[#fields + 1] = 'q'
    fields[#fields + 1] = string.format('%.0f', balance + rest)
  end
  if left then
    fields[#fields + 1] = 't' .. token
    fields[#fields + 1] = string.format('%.0f', left + rest)
  end
end
if #fields > 0 then
  redis.call('HSET', KEYS[1], unpack(fields))
end
return {loaded and 0 or 1, granted, most, known[3] or '0'}
