-- A place in two sliding windows, of all calls and of successful ones; in both or in none.
-- KEYS: all calls, successful calls
-- ARGV: now ms, window ms, most of all or 0, most successful or 0, request id
-- Returns {1, places left, ms until one is free} | {0, which window is full, ms until one is free}
local left, wait = -1, 0
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
for i = 1, 2 do
  if tonumber(ARGV[2 + i]) > 0 then
    redis.call('ZADD', KEYS[i], ARGV[1], ARGV[5])
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
  end
end
return {1, left, wait}
