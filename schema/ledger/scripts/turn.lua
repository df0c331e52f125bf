-- A place in two sliding windows, of all calls and of successful ones, and room for its model tokens; in all or in none.
-- KEYS: all calls, successful calls, times of calls with tokens, their tokens (and `s`, the sum)
-- ARGV: now ms, window ms, most of all or 0, most successful or 0, request id, most tokens or 0, their window ms, tokens wanted
-- Returns {1, places left or -1, ms until one is free, tokens left or -1} | {0, which window is full (3: tokens), ms to wait}
local left, wait, room = -1, 0, -1
for i = 1, 2 do
  local most = tonumber(ARGV[2 + i])
  if most > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', ARGV[1] - ARGV[2])
    local used = redis.call('ZCARD', KEYS[i])
    local oldest = redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2] or ARGV[1]
    local free = tonumber(oldest) + ARGV[2] - ARGV[1]
    if used >= most then
      return {0, i, free}
    end
    if left < 0 or most - used - 1 < left then
      left, wait = most - used - 1, free
    end
  end
end
local most, wanted = tonumber(ARGV[6]), tonumber(ARGV[8])
if most > 0 then
  local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1] - ARGV[7])
  for _, id in ipairs(old) do
    redis.call('HINCRBY', KEYS[4], 's', -tonumber(redis.call('HGET', KEYS[4], id) or '0'))
    redis.call('HDEL', KEYS[4], id)
    redis.call('ZREM', KEYS[3], id)
  end
  if redis.call('ZCARD', KEYS[3]) == 0 then
    redis.call('DEL', KEYS[4])
  end
  local used = tonumber(redis.call('HGET', KEYS[4], 's') or '0')
  if used >= most or (used > 0 and used + wanted > most) then -- a call that is larger than the limit needs it empty
    local missing = math.max(math.min(used + wanted - most, used), 1)
    local entries = redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES')
    for i = 1, #entries, 2 do
      missing = missing - tonumber(redis.call('HGET', KEYS[4], entries[i]) or '0')
      if missing <= 0 then
        return {0, 3, tonumber(entries[i + 1]) + ARGV[7] - ARGV[1]}
      end
    end
    return {0, 3, tonumber(ARGV[7])}
  end
  redis.call('ZADD', KEYS[3], ARGV[1], ARGV[5])
  redis.call('HSET', KEYS[4], ARGV[5], wanted)
  redis.call('HINCRBY', KEYS[4], 's', wanted)
  redis.call('PEXPIRE', KEYS[3], ARGV[7])
  redis.call('PEXPIRE', KEYS[4], ARGV[7])
  room = math.max(most - used - wanted, 0)
end
for i = 1, 2 do
  if tonumber(ARGV[2 + i]) > 0 then
    redis.call('ZADD', KEYS[i], ARGV[1], ARGV[5])
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
  end
end
return {1, left, wait, room}
