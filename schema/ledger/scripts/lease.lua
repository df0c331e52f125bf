-- Take, keep or give back a lease. KEYS: lease.
-- ARGV: owner, lifetime in ms (0: give it back) [, an owner known to be dead, whose lease may be taken]
-- Returns '' when the owner has it (or has given it back), else whose it is
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and owner ~= ARGV[3] then
  return owner
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return ''
