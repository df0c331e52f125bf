-- Move the deadlines of live holds and store how far their calls have come. Holds that are gone stay gone.
-- KEYS: deadlines, checkpoint of each hold
-- ARGV: checkpoint lifetime in s, then for each hold: member of deadlines, deadline, checkpoint or ''
-- Returns for each hold 1 extended, 0 gone
local answer = {}
for i = 2, #KEYS do
  local at = (i - 2) * 3 + 2
  if redis.call('ZSCORE', KEYS[1], ARGV[at]) then
    redis.call('ZADD', KEYS[1], 'GT', ARGV[at + 1], ARGV[at])
    if ARGV[at + 2] ~= '' then
      redis.call('SET', KEYS[i], ARGV[at + 2], 'EX', ARGV[1])
    end
    answer[i - 1] = 1
  else
    answer[i - 1] = 0
  end
end
return answer
