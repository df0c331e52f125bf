-- Take, keep or give back a lease. KEYS: lease. ARGV: owner, lifetime in ms (0: give it back)
-- Returns 1 the owner has it (or has given it back), 0 it is somebody else's
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
