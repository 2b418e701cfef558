{{- /* Settings as environment variables. A number is written whole, for helm reads 268435456 as 2.68435456e+08. */ -}}
{{- define "stockbook.settings" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ ternary (printf "%.0f" (float64 $value)) (toString $value) (kindIs "float64" $value) | quote }}
{{- end }}
{{- end }}

{{- /* From a key of a Secret: (dict "name" VARIABLE "from" {name, key}) */ -}}
{{- define "stockbook.secret" -}}
{{- if .from.name }}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .from.name }}, key: {{ .from.key }}}}
{{- end }}
{{- end }}

{{- /*
A database: (dict "root" $ "variable" WRITE_DATABASE_URL "from" {name, key} "role" command "database" write).
The URL is a Secret's, or is put together from the password's where the chart makes the databases.
*/ -}}
{{- define "stockbook.database" -}}
{{- $postgres := .root.Values.postgres }}
{{- if .from.name }}
{{- include "stockbook.secret" (dict "name" .variable "from" .from) }}
{{- else if $postgres.enabled }}
- name: {{ .variable }}_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ get $postgres.passwords .role }}, key: password}}
- name: {{ .variable }}
  value: "postgres://stockbook_{{ .role }}:$({{ .variable }}_PASSWORD)@{{ include "stockbook.name" .root }}-postgres-rw/stockbook_{{ .database }}?sslmode=verify-full&sslrootcert=/secrets/postgres-ca/ca.crt"
{{- end }}
{{- end }}

{{- /* Whether personal data is kept. */ -}}
{{- define "stockbook.personal" -}}
{{- if and .Values.masterKey.name (or .Values.databases.keys.name .Values.postgres.enabled) }}yes{{ end }}
{{- end }}

{{- define "stockbook.kafka" -}}
{{- $kafka := .Values.kafka }}
{{- if .Values.kafkaCluster.enabled }}
- {name: KAFKA_BROKERS, value: "{{ include "stockbook.name" . }}-kafka-kafka-bootstrap:9093"}
- {name: KAFKA_SECURITY_PROTOCOL, value: sasl_ssl}
- {name: KAFKA_SASL_MECHANISM, value: SCRAM-SHA-512}
- {name: KAFKA_USERNAME, value: {{ include "stockbook.name" . }}-kafka-client}
- {name: KAFKA_PASSWORD_FILE, value: /secrets/kafka-password/password}
- {name: KAFKA_CA, value: /secrets/kafka-ca/ca.crt}
{{- else }}
- {name: KAFKA_BROKERS, value: {{ required "kafka.brokers: where Kafka is, or kafkaCluster.enabled" $kafka.brokers | quote }}}
- {name: KAFKA_SECURITY_PROTOCOL, value: {{ $kafka.securityProtocol }}}
{{- with $kafka.saslMechanism }}
- {name: KAFKA_SASL_MECHANISM, value: {{ . }}}
- {name: KAFKA_USERNAME, value: {{ $kafka.username | quote }}}
- {name: KAFKA_PASSWORD_FILE, value: /secrets/kafka-password/password}
{{- end }}
{{- if $kafka.ca.name }}
- {name: KAFKA_CA, value: /secrets/kafka-ca/ca.crt}
{{- end }}
{{- end }}
- {name: TOPIC, value: {{ $kafka.topic | quote }}}
{{- end }}

{{- /* Sign-in, TLS and the address: (dict "root" $ "auth" MODE) */ -}}
{{- define "stockbook.edge" -}}
- {name: LISTEN, value: "0.0.0.0:8080"}
- {name: AUTH, value: {{ .auth | quote }}}
{{- if .root.Values.tls.secret }}
- {name: TLS, value: "on"}
- {name: TLS_CERT, value: /secrets/tls/tls.crt}
- {name: TLS_KEY, value: /secrets/tls/tls.key}
{{- else }}
- {name: TLS, value: "off"}
{{- end }}
{{- end }}

{{- define "stockbook.issuer" -}}
{{- with .Values.auth.issuer }}
- {name: AUTH_ISSUER, value: {{ . | quote }}}
- {name: AUTH_AUDIENCE, value: {{ $.Values.auth.audience | quote }}}
{{- with $.Values.auth.jwksUrl }}
- {name: AUTH_JWKS_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end }}
