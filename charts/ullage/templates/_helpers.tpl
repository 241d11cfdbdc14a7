{{/* The names, labels and images that the templates share. */}}

{{- define "ullage.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "ullage" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-ullage" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ullage.selector" -}}
app.kubernetes.io/name: ullage
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ullage.labels" -}}
{{ include "ullage.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels or annotations, given as {own, more}: the chart's own, as YAML, and somebody's, whose keys never replace those. */}}
{{- define "ullage.with" -}}
{{- merge (fromYaml .own) (.more | default dict) | toYaml -}}
{{- end -}}

{{/* An image of the values. With a digest the tag says only to people what it is. */}}
{{- define "ullage.image" -}}
{{- .repository }}:{{ .tag }}{{ with .digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "ullage.ownImage" -}}
{{- $image := .Values.image -}}
{{- include "ullage.image" (dict "repository" $image.repository "tag" ($image.tag | default .Chart.AppVersion) "digest" $image.digest) -}}
{{- end -}}

{{/* What every container but the driver is held to. */}}
{{- define "ullage.restricted" -}}
runAsUser: 65532
runAsGroup: 65532
runAsNonRoot: true
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* The account's token, as Kubernetes itself would mount it. */}}
{{- define "ullage.token" -}}
name: token
projected:
  sources:
    - serviceAccountToken: { path: token, expirationSeconds: 3607 }
    - configMap:
        name: kube-root-ca.crt
        items: [{ key: ca.crt, path: ca.crt }]
    - downwardAPI:
        items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }]
{{- end -}}

{{- define "ullage.tokenMount" -}}
{ name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
{{- end -}}

{{/* What the schema cannot say. */}}
{{- define "ullage.check" -}}
{{- include "ullage.checkPools" . -}}
{{- include "ullage.checkClasses" . -}}
{{- if and .Values.prometheusRule.enabled (not .Values.podMonitor.enabled) }}{{ fail "prometheusRule.enabled needs podMonitor.enabled: without it there are no numbers" }}{{ end -}}
{{- end -}}
