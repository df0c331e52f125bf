-- A balance moved in SQL outside settlement: forget the hot one (its holds stay), and make loads that have read SQL
-- before this start again.
-- KEYS: epoch, balance
-- ARGV: epoch lifetime in s
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return redis.call('HDEL', KEYS[2], 'q')
