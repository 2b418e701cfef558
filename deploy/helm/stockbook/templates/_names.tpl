{{- define "stockbook.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* Of a part: (dict "root" $ "part" "command-service") */ -}}
{{- define "stockbook.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "stockbook.labels" -}}
{{ include "stockbook.selector" . }}
app.kubernetes.io/part-of: stockbook
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | quote }}
{{- end }}

{{- define "stockbook.image" -}}
{{ .root.Values.image.repository }}:{{ .tag | default .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "stockbook.scheme" -}}
{{ ternary "https" "http" (not (empty .Values.tls.secret)) }}
{{- end }}

{{- /* The topics that the services use, one a line. */ -}}
{{- define "stockbook.topics" -}}
{{- $settings := .Values.commandService.settings }}
{{- $replies := $settings.PAYMENT_REPLIES_TOPIC | default "inventory.payments.replies" }}
{{ .Values.kafka.topic }}
{{ $settings.PAYMENT_REQUESTS_TOPIC | default "inventory.payments.requests" }}
{{ $replies }}
{{ $replies }}.rejected
{{- with $settings.CHOREOGRAPHY_TOPIC }}
{{ . }}
{{ . }}.rejected
{{- end }}
{{ .Values.queryService.settings.ALERTS_TOPIC | default "inventory.alerts" }}
{{- end }}
