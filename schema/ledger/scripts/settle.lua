-- End a call: its record goes to the stream, its hold goes, the hot balance keeps hold - actual.
-- Without a hold the record may have been settled before: it is marked for a check and the balance reloads from SQL.
-- KEYS: balance, stream, epoch, checkpoint
-- ARGV: request id, user id, limited token id or 0, quota, record, mark ('' none, '1' replayed: always check),
--       1 = forget the idempotency key (the call ended without a charge), epoch lifetime in s, prefix of idempotency keys
-- Returns 0 settled, 1 late: there was no hold
local id, token = 'h' .. ARGV[1], ARGV[3]
local known = redis.call('HMGET', KEYS[1], 'q', id, 't' .. token)
local hold, mark = known[2], ARGV[6]
if hold then
  local amount, held, relayed, digest = string.match(hold, '^(%d+) (%d+) %d+ (%d) (.*)$')
  redis.call('HDEL', KEYS[1], id)
  if mark == '' and known[1] then
    local rest = tonumber(amount) - tonumber(ARGV[4])
    if known[3] and held == token then
      redis.call('HSET', KEYS[1], 'q', tonumber(known[1]) + rest, 't' .. token, tonumber(known[3]) + rest)
    elseif rest ~= 0 then
      redis.call('HSET', KEYS[1], 'q', tonumber(known[1]) + rest)
    end
  end
  if relayed == '1' then
    redis.call('DEL', KEYS[4])
  end
  if ARGV[7] == '1' and digest ~= '' then
    redis.call('DEL', ARGV[9] .. digest)
  end
  if mark == '' then
    redis.call('XADD', KEYS[2], '*', 'u', ARGV[2], 't', token, 'q', ARGV[4], 'r', ARGV[5])
    return 0
  end
else
  mark = '1'
end
redis.call('XADD', KEYS[2], '*', 'u', ARGV[2], 't', token, 'q', ARGV[4], 'r', ARGV[5], 'l', mark)
redis.call('INCR', KEYS[3])
redis.call('EXPIRE', KEYS[3], ARGV[8])
redis.call('HDEL', KEYS[1], 'q')
return hold and 0 or 1
