{{- /*
Secrets that are files: (dict "root" $ "files" (list …)), each of tls, postgres-ca, kafka, master-key, oidc. A list of
{volume, secret, key, file}; the whole Secret without a key.
*/ -}}
{{- define "stockbook.files" -}}
{{- $root := .root }}
{{- $values := .root.Values }}
{{- $name := include "stockbook.name" .root }}
{{- if and (has "tls" .files) $values.tls.secret }}
- {volume: tls, secret: {{ $values.tls.secret }}}
{{- end }}
{{- if has "postgres-ca" .files }}
{{- if $values.databases.ca.name }}
- {volume: postgres-ca, secret: {{ $values.databases.ca.name }}, key: {{ $values.databases.ca.key }}, file: ca.crt}
{{- else if $values.postgres.enabled }}
- {volume: postgres-ca, secret: {{ $name }}-postgres-ca, key: ca.crt, file: ca.crt}
{{- end }}
{{- end }}
{{- if has "kafka" .files }}
{{- if $values.kafkaCluster.enabled }}
- {volume: kafka-ca, secret: {{ $name }}-kafka-cluster-ca-cert, key: ca.crt, file: ca.crt}
- {volume: kafka-password, secret: {{ $name }}-kafka-client, key: password, file: password}
{{- else }}
{{- if $values.kafka.ca.name }}
- {volume: kafka-ca, secret: {{ $values.kafka.ca.name }}, key: {{ $values.kafka.ca.key }}, file: ca.crt}
{{- end }}
{{- if $values.kafka.saslMechanism }}
- {volume: kafka-password, secret: {{ $values.kafka.password.name }}, key: {{ $values.kafka.password.key }}, file: password}
{{- end }}
{{- end }}
{{- end }}
{{- if has "oidc" .files }}
{{- with $values.console.clientSecret }}
{{- if .name }}
- {volume: oidc-client, secret: {{ .name }}, key: {{ .key }}, file: secret}
{{- end }}
{{- end }}
{{- with $values.console.issuerCa }}
{{- if .name }}
- {volume: oidc-ca, secret: {{ .name }}, key: {{ .key }}, file: ca.crt}
{{- end }}
{{- end }}
{{- end }}
{{- if and (has "master-key" .files) (include "stockbook.personal" $root) }}
- {volume: master-key, secret: {{ $values.masterKey.name }}, key: {{ $values.masterKey.key }}, file: master.key}
{{- end }}
{{- end }}

{{- define "stockbook.mounts" -}}
{{- with include "stockbook.files" . | fromYamlArray }}
volumeMounts:
  {{- range . }}
  - {name: {{ .volume }}, mountPath: /secrets/{{ .volume }}, readOnly: true}
  {{- end }}
{{- end }}
{{- end }}

{{- define "stockbook.volumes" -}}
{{- with include "stockbook.files" . | fromYamlArray }}
volumes:
  {{- range . }}
  - name: {{ .volume }}
    secret:
      secretName: {{ .secret }}
      # The group of the pod reads it, and nobody else does.
      defaultMode: 0440
      {{- if .key }}
      items: [{key: {{ .key }}, path: {{ .file }}}]
      {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "stockbook.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "stockbook.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- /*
A Deployment and its Service: (dict "root" $ "part" command-service "of" VALUES "files" FILES "env" TEXT)
*/ -}}
{{- define "stockbook.service" -}}
{{- $name := printf "%s-%s" (include "stockbook.name" .root) .part }}
{{- $scheme := include "stockbook.scheme" .root | upper }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels: {{- include "stockbook.labels" . | nindent 4 }}
spec:
  {{- if not (and .of.autoscaling .of.autoscaling.enabled) }}
  replicas: {{ .of.replicas }}
  {{- end }}
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector: {matchLabels: {{ include "stockbook.selector" . | fromYaml | toJson }}}
  template:
    metadata:
      labels: {{- include "stockbook.labels" . | nindent 8 }}
      {{- with .of.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "stockbook.podSecurity" .root | nindent 6 }}
      # Requests in progress and batches end first; DRAIN_TIMEOUT_MS is 20 s by default.
      terminationGracePeriodSeconds: 60
      containers:
        - name: {{ .part }}
          image: {{ include "stockbook.image" (dict "root" .root "tag" .of.tag) }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          command: [{{ .part }}]
          {{- include "stockbook.containerSecurity" .root | nindent 10 }}
          ports: [{name: http, containerPort: 8080}]
          env: {{- .env | nindent 12 }}
          {{- include "stockbook.mounts" . | nindent 10 }}
          startupProbe: {httpGet: {path: /livez, port: http, scheme: {{ $scheme }}}, periodSeconds: 2, failureThreshold: 60}
          livenessProbe: {httpGet: {path: /livez, port: http, scheme: {{ $scheme }}}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
          readinessProbe: {httpGet: {path: /readyz, port: http, scheme: {{ $scheme }}}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2}
          # Until every proxy knows that the instance leaves, it takes connections.
          lifecycle: {preStop: {sleep: {seconds: 5}}}
          resources: {{- toYaml .of.resources | nindent 12 }}
      {{- include "stockbook.volumes" . | nindent 6 }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {matchLabels: {{ include "stockbook.selector" . | fromYaml | toJson }}}
      {{- with .of.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .of.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .of.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{- include "stockbook.labels" . | nindent 4 }}
spec:
  selector: {{- include "stockbook.selector" . | nindent 4 }}
  ports: [{name: http, port: 8080, targetPort: http, appProtocol: {{ include "stockbook.scheme" .root }}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels: {{- include "stockbook.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {{ include "stockbook.selector" . | fromYaml | toJson }}}
{{- with .of.autoscaling }}
{{- if .enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels: {{- include "stockbook.labels" $ | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ .cpuPercent }}}}
    {{- if .metric }}
    - type: Pods
      pods:
        metric: {name: {{ .metric }}}
        target: {type: AverageValue, averageValue: {{ .metricPerInstance | quote }}}
    {{- end }}
  behavior:
    # Another instance makes every reader join again, so instances do not come and go with each wave.
    scaleDown: {stabilizationWindowSeconds: 600}
{{- end }}
{{- end }}
{{- end }}
