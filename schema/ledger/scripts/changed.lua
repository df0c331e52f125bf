-- A balance moved in SQL outside settlement: forget the hot ones, and make loads that read SQL before this start again.
-- KEYS: epoch, balance [, token]
-- ARGV: epoch lifetime in s
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
if KEYS[3] then
  redis.call('DEL', KEYS[3])
end
return 1
