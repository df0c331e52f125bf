-- End a call: its record goes to the stream, its hold goes, the hot balance keeps hold - actual.
-- Without a hold the record may have been settled before: it is marked for a check and the balance reloads from SQL.
-- KEYS: balance, holds, deadlines, stream, epoch, checkpoint [, token]
-- ARGV: request id, member of deadlines, user id, limited token id or 0, quota, record,
--       mark ('' none, '1' replayed: always check), 1 = forget the idempotency key (the call failed), epoch lifetime in s
-- Returns 0 settled, 1 late: there was no hold
local hold = redis.call('HGET', KEYS[2], ARGV[1])
local mark = ARGV[7]
if hold then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[2])
  redis.call('DEL', KEYS[6])
  local amount, token, key = string.match(hold, '^(%d+) (%d+) (.*)$')
  local rest = tonumber(amount) - tonumber(ARGV[5])
  if rest ~= 0 then
    if redis.call('HEXISTS', KEYS[1], 'q') == 1 then
      redis.call('HINCRBY', KEYS[1], 'q', string.format('%.0f', rest))
    end
    if token ~= '0' and KEYS[7] and redis.call('HEXISTS', KEYS[7], 'q') == 1 then
      redis.call('HINCRBY', KEYS[7], 'q', string.format('%.0f', rest))
    end
  end
  if ARGV[8] == '1' and key ~= '' then
    redis.call('DEL', key)
  end
else
  mark = '1'
end
if mark == '' then
  redis.call('XADD', KEYS[4], '*', 'u', ARGV[3], 't', ARGV[4], 'q', ARGV[5], 'r', ARGV[6])
  return 0
end
redis.call('XADD', KEYS[4], '*', 'u', ARGV[3], 't', ARGV[4], 'q', ARGV[5], 'r', ARGV[6], 'l', mark)
redis.call('INCR', KEYS[5])
redis.call('EXPIRE', KEYS[5], ARGV[9])
redis.call('DEL', KEYS[1])
if KEYS[7] then
  redis.call('DEL', KEYS[7])
end
return hold and 0 or 1
