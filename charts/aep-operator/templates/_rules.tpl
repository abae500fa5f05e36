{{/* What the operator may do with custom resources, Secrets and events, in every namespace that it serves. */}}
{{- define "aep-operator.rules" -}}
# Finalizer and intent are metadata patches; the spec is never written.
- apiGroups: [ingestion.aep-operator.io]
  resources: [stripebaseconnections, stripesourceconnections, ingestionmappings, ingestionflows]
  verbs: [get, list, watch, patch]
- apiGroups: [ingestion.aep-operator.io]
  resources:
    - stripebaseconnections/status
    - stripesourceconnections/status
    - ingestionmappings/status
    - ingestionflows/status
  verbs: [patch]
# Credentials are read one Secret at a time; lists and watches are of metadata only.
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.secrets.names }}
  resourceNames: {{ toJson . }}
  {{- end }}
  {{- if .Values.secrets.protect }}
  # The patch sets and removes the finalizer of Secrets in use.
  verbs: [get, list, watch, patch]
  {{- else }}
  verbs: [get, list, watch]
  {{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
