-- Take a user without open holds off the list of holders.
-- KEYS: balance, holders
-- ARGV: user id
-- Returns 1 taken off, 0 there are holds
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 1) == 'h' then
    return 0
  end
end
redis.call('HDEL', KEYS[1], 'i')
return redis.call('SREM', KEYS[2], ARGV[1])
