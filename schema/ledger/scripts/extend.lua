-- Move the deadlines of live holds and store how far their calls have come. Holds that are gone stay gone.
-- KEYS: for each hold: balance, checkpoint
-- ARGV: lifetime in s, then for each hold: request id, deadline, checkpoint or '' (leaves the stored one)
-- Returns for each hold 1 extended, 0 gone
local answer = {}
for i = 1, #KEYS / 2 do
  local balance, checkpoint = KEYS[i * 2 - 1], KEYS[i * 2]
  local id, deadline, record = 'h' .. ARGV[i * 3 - 1], ARGV[i * 3], ARGV[i * 3 + 1]
  local hold = redis.call('HGET', balance, id)
  answer[i] = 0
  if hold then
    local head, until_ms, relayed, digest = string.match(hold, '^(%d+ %d+) (%d+) (%d) (.*)$')
    if tonumber(until_ms) > tonumber(deadline) then
      deadline = until_ms
    end
    if record ~= '' then
      redis.call('SET', checkpoint, record, 'EX', ARGV[1])
      relayed = '1'
    end
    redis.call('HSET', balance, id, head .. ' ' .. deadline .. ' ' .. relayed .. ' ' .. digest)
    redis.call('EXPIRE', balance, ARGV[1])
    answer[i] = 1
  end
end
return answer
