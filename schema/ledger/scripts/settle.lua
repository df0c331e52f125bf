-- End calls of one user and token: their records go to the stream, their holds go, the hot balance keeps hold - actual.
-- Records of calls that had a hold share one entry: their quota summed, the records as an array of msgpack.
-- Without a hold a record may have been settled before: it is marked for a check and the balance reloads from SQL.
-- KEYS: balance, stream, epoch
-- ARGV: user id, limited token id or 0, epoch lifetime in s, prefix of this partition's keys, then for each call:
--       request id, quota, record, and the sum of 1 = forget the idempotency key (it ended without a charge)
--       and 2 = replayed: always check
-- Returns for each call 0 settled, 1 late: there was no hold
local user, token, prefix = ARGV[1], ARGV[2], ARGV[4]
local names = {'q', 't' .. token}
for i = 5, #ARGV, 4 do
  names[#names + 1] = 'h' .. ARGV[i]
end
local known = redis.call('HMGET', KEYS[1], unpack(names))
local balance, left = tonumber(known[1]), tonumber(known[2])
local answer, ended, moved = {}, {}, false
local records, count, sum, checks = {}, 0, '0', nil
for i = 5, #ARGV, 4 do
  local id, quota, record, flags = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local hold = not ended['h' .. id] and known[(i + 7) / 4]
  local check = flags >= '2'
  if hold then
    local amount, held, relayed, digest = string.match(hold, '^(%d+) (%d+) %d+ (%d) (.*)$')
    ended['h' .. id] = true
    ended[#ended + 1] = 'h' .. id
    if not check and balance then
      local rest = tonumber(amount) - tonumber(quota)
      balance = balance + rest
      moved = true
      if left and held == token then
        left = left + rest
      end
    end
    if relayed == '1' then
      redis.call('DEL', prefix .. 'c:' .. id)
    end
    if (flags == '1' or flags == '3') and digest ~= '' then
      redis.call('DEL', prefix .. 'i:' .. digest)
    end
  end
  if hold and not check then
    sum = count > 0 and sum + quota or quota -- one alone stays as it came: to write a number costs the server more
    count = count + 1
    records[count] = record
  else
    checks = checks or {}
    checks[#checks + 1] = i
  end
  answer[#answer + 1] = hold and 0 or 1
end
if count == 1 then
  redis.call('XADD', KEYS[2], '*', 'u', user, 't', token, 'q', sum, 'r', records[1])
elseif count > 1 then -- a header of msgpack, short up to 15
  local head = count < 16 and string.char(0x90 + count) or string.char(0xdc, math.floor(count / 256), count % 256)
  redis.call('XADD', KEYS[2], '*', 'u', user, 't', token, 'q', sum, 'p', head .. table.concat(records))
end
if checks then
  for _, i in ipairs(checks) do -- behind those that count for sure: of a call that is settled twice the second is in doubt
    redis.call('XADD', KEYS[2], '*', 'u', user, 't', token, 'q', ARGV[i + 1], 'r', ARGV[i + 2], 'l', '1')
  end
end
if #ended > 0 then
  redis.call('HDEL', KEYS[1], unpack(ended))
end
if moved then
  if left then
    redis.call('HSET', KEYS[1], 'q', balance, 't' .. token, left)
  else
    redis.call('HSET', KEYS[1], 'q', balance)
  end
end
if checks then
  redis.call('INCR', KEYS[3])
  redis.call('EXPIRE', KEYS[3], ARGV[3])
  redis.call('HDEL', KEYS[1], 'q')
end
return answer
