{{/* The command line: one flag for each setting of the operator. */}}
{{- define "aep-operator.args" -}}
- run
{{- with .Values.clusterId }}
- --cluster-id={{ . }}
{{- end }}
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
- --aep-url={{ .Values.aep.url }}
- --ims-url={{ .Values.aep.imsUrl }}
{{- if .Values.aep.allowHttp }}
- --allow-http
{{- end }}
- --requests-per-second={{ .Values.aep.requestsPerSecond }}
- --call-deadline={{ .Values.aep.callDeadline }}
- --concurrency={{ .Values.reconcile.concurrency }}
- --drift-interval={{ .Values.reconcile.driftInterval }}
- --slow-drift-interval={{ .Values.reconcile.slowDriftInterval }}
- --lookup-grace={{ .Values.reconcile.lookupGrace }}
- --held-start={{ .Values.reconcile.heldStart }}
- --verify-rotation={{ .Values.secrets.verifyRotation }}
- --protect-secrets={{ .Values.secrets.protect }}
{{- with .Values.secrets.names }}
- --secret-names={{ join "," . }}
{{- end }}
{{- if .Values.leaderElection.enabled }}
- --leader-elect
- --lease-name={{ include "aep-operator.fullname" . }}
{{- end }}
- --stuck-after={{ .Values.reconcile.stuckAfter }}
{{- if .Values.metrics.perFlow }}
- --metrics-per-flow
{{- end }}
- --http-addr=0.0.0.0:{{ .Values.http.port }}
- --log-format={{ .Values.log.format }}
{{- with .Values.tracing.endpoint }}
- --otlp-endpoint={{ . }}
{{- end }}
{{- end }}
