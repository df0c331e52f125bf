-- A balance moved in SQL outside settlement: forget the hot one (its holds stay), and make loads that have read SQL
-- before this start again.
-- KEYS: epoch, balance
-- ARGV: epoch lifetime in s [, request id of a hold that was charged in SQL: it ends here]
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
if ARGV[2] then
  redis.call('HDEL', KEYS[2], 'h' .. ARGV[2])
end
return redis.call('HDEL', KEYS[2], 'q')
