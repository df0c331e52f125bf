-- End a hold whose edge is gone: charge its checkpoint, or give everything back where nothing had been relayed.
-- KEYS: balance, holds, deadlines, stream, epoch, checkpoint [, token]
-- ARGV: request id, member of deadlines, now in ms, checkpoint as it was read ('' none), user id, limited token id or 0,
--       quota, record made of the checkpoint, epoch lifetime in s
-- Returns 1 charged, 2 released, 0 somebody extended or ended it meanwhile
local deadline = redis.call('ZSCORE', KEYS[3], ARGV[2])
if not deadline or tonumber(deadline) > tonumber(ARGV[3]) then
  return 0
end
if (redis.call('GET', KEYS[6]) or '') ~= ARGV[4] then
  return 0
end
local hold = redis.call('HGET', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[6])
redis.call('INCR', KEYS[5])
redis.call('EXPIRE', KEYS[5], ARGV[9])
redis.call('DEL', KEYS[1])
if KEYS[7] then
  redis.call('DEL', KEYS[7])
end
if ARGV[4] == '' then
  local key = hold and string.match(hold, '^%d+ %d+ (.*)$') or ''
  if key ~= '' then
    redis.call('DEL', key)
  end
  return 2
end
redis.call('XADD', KEYS[4], '*', 'u', ARGV[5], 't', ARGV[6], 'q', ARGV[7], 'r', ARGV[8], 'l', '2')
return 1
