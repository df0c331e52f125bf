-- End a hold whose edge is gone: charge its checkpoint, or give everything back where nothing had been relayed.
-- KEYS: balance, stream, epoch, checkpoint
-- ARGV: request id, the hold as it was read, the checkpoint as it was read ('' none), user id, limited token id or 0,
--       quota, record made of the checkpoint, epoch lifetime in s, prefix of idempotency keys
-- Returns 1 charged, 2 released, 0 somebody extended or ended it meanwhile
local id = 'h' .. ARGV[1]
if redis.call('HGET', KEYS[1], id) ~= ARGV[2] or (redis.call('GET', KEYS[4]) or '') ~= ARGV[3] then
  return 0
end
redis.call('HDEL', KEYS[1], id, 'q')
redis.call('DEL', KEYS[4])
redis.call('INCR', KEYS[3])
redis.call('EXPIRE', KEYS[3], ARGV[8])
if ARGV[3] == '' then
  local digest = string.match(ARGV[2], '^%d+ %d+ %d+ %d (.*)$')
  if digest ~= '' then
    redis.call('DEL', ARGV[9] .. digest)
  end
  return 2
end
redis.call('XADD', KEYS[2], '*', 'u', ARGV[4], 't', ARGV[5], 'q', ARGV[6], 'r', ARGV[7], 'l', '2')
return 1
