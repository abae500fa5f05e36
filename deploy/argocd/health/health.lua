-- Health of the four kinds of ingestion.aep-operator.io for Argo CD.
--
-- Ready decides. What waits for a person's word is Suspended, what needs a person's correction is Degraded, and what goes on by itself is
-- Progressing. Reported drift, a finished once flow and an outage after being Ready leave Ready True, so they are Healthy.

local function annotated(name)
  local annotations = obj.metadata.annotations
  return annotations ~= nil and annotations["ingestion.aep-operator.io/" .. name] == "true"
end

local conditions = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    conditions[condition.type] = condition
  end
end

local function health(status, condition, otherwise)
  local message = otherwise
  if condition ~= nil and condition.message ~= nil and condition.message ~= "" then
    message = condition.message
  end
  return { status = status, message = message }
end

local function is(name, status)
  return conditions[name] ~= nil and conditions[name].status == status
end

if annotated("paused") then
  return health("Suspended", conditions.Paused, "paused by annotation")
end
if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", conditions.Ready, "being deleted")
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", conditions.Reconciling, "the present generation is not applied yet")
end
if is("Stalled", "True") then
  if conditions.Stalled.reason == "ApprovalRequired" then
    return health("Suspended", conditions.Stalled, "waits for approval")
  end
  return health("Degraded", conditions.Stalled, "needs a correction")
end
if is("Ready", "True") then
  return health("Healthy", conditions.Ready, "ready")
end
return health("Progressing", conditions.Ready, "not ready yet")
