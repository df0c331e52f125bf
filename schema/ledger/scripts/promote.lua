-- Calls that last long leave an edge's allowance: each gets a hold of its own, which can be extended and checkpointed.
-- KEYS: balance
-- ARGV: name of the allowance, limited token id or 0, deadline, then for each call: request id, amount
-- Returns 1 moved, 0 there is no allowance (any more)
local name = 'h' .. ARGV[1]
local hold = redis.call('HGET', KEYS[1], name)
if not hold then
  return 0
end
local amount, rest = string.match(hold, '^(%d+) (.*)$')
local left, fields = tonumber(amount), {}
for i = 4, #ARGV, 2 do
  left = left - tonumber(ARGV[i + 1])
  fields[#fields + 1] = 'h' .. ARGV[i]
  fields[#fields + 1] = ARGV[i + 1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3] .. ' 0 '
end
fields[#fields + 1] = name
fields[#fields + 1] = string.format('%.0f', math.max(left, 0)) .. ' ' .. rest
redis.call('HSET', KEYS[1], unpack(fields))
return 1
