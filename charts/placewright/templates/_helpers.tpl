{{/* Chart name, cut to what a label may hold. */}}
{{- define "placewright.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of all resources: release and chart, or the release alone when it holds the chart's name. */}}
{{- define "placewright.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "placewright.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Name of cluster-scoped resources: two releases of one name in two namespaces do not collide. */}}
{{- define "placewright.clusterName" -}}
{{- $fullname := include "placewright.fullname" . }}
{{- if eq .Release.Namespace $fullname }}
{{- $fullname }}
{{- else }}
{{- printf "%s-%s" .Release.Namespace $fullname | trunc 200 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "placewright.selectorLabels" -}}
app.kubernetes.io/name: {{ include "placewright.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "placewright.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "placewright.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: placewright
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "placewright.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "placewright.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "placewright.image" -}}
{{- $repository := .Values.image.repository }}
{{- with .Values.image.registry }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The operator's rights on what lives in namespaces; bound in the cluster, or in each watched namespace. */}}
{{- define "placewright.rules" -}}
- apiGroups: [placewright.dev]
  resources: [placementrequests]
  verbs: [get, list, watch]
- apiGroups: [placewright.dev]
  resources: [placementrequests/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}

{{/*
The operator's rights on what a fleet is planned from; always bound in the cluster. Pods of every namespace, since any of
them may hold a GPU of a pool.
*/}}
{{- define "placewright.fleetRules" -}}
- apiGroups: [placewright.dev]
  resources: [gpupools, placementpolicies, performanceprofiles]
  verbs: [get, list, watch]
- apiGroups: [placewright.dev]
  resources: [gpupools/status, placementpolicies/status, performanceprofiles/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [nodes, pods]
  verbs: [get, list, watch]
{{- end }}

{{/*
The operator's rights on what it applies and scales; bound where `apply` says, and only while it is enabled. Server-side
apply is a patch, which needs create where there is nothing yet. Existing targets (workloadRef) are scaled through their
scale subresource alone; HorizontalPodAutoscalers and ScaledObjects are read to leave those alone that they own.
*/}}
{{- define "placewright.applyRules" -}}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [leaderworkerset.x-k8s.io]
  resources: [leaderworkersets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [inference.networking.k8s.io]
  resources: [inferencepools]
  verbs: [get, create, patch, delete]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale]
  verbs: [patch]
- apiGroups: [leaderworkerset.x-k8s.io]
  resources: [leaderworkersets/scale]
  verbs: [patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, watch]
{{- end }}

{{/* Namespaces that are acted in, as a list in JSON; empty: the whole cluster. */}}
{{- define "placewright.applyNamespaces" -}}
{{- $served := .Values.watchNamespaces }}
{{- if $served }}
{{- range $index, $namespace := .Values.apply.namespaces }}
{{- if not (has $namespace $served) }}
{{- fail (printf "values: apply.namespaces[%d]: got %s, wants one of watchNamespaces (%s): requests of others are not served" $index $namespace (join ", " $served)) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson (default $served .Values.apply.namespaces) }}
{{- end }}

{{/* The operator's rights on ConfigMaps with prices; bound in the release's namespace, on these alone. */}}
{{- define "placewright.priceRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: {{ toJson .Values.prices.configMaps }}
  verbs: [get]
{{- end }}

{{/* Where the client of the bucket looks for its credentials and region first. */}}
{{- define "placewright.s3Env" -}}
{{- with .Values.audit.s3 }}
{{- if and .bucket .credentialsSecret.name }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ .credentialsSecret.name }}
      key: {{ .credentialsSecret.accessKeyIdKey }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .credentialsSecret.name }}
      key: {{ .credentialsSecret.secretAccessKeyKey }}
{{- end }}
{{- if and .bucket .region }}
- name: AWS_REGION
  value: {{ .region }}
{{- end }}
{{- end }}
{{- end }}
