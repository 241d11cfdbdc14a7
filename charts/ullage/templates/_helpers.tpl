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

{{/* A size in bytes, as the driver reads it; the schema has seen to its shape. */}}
{{- define "ullage.bytes" -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{- $unit := trimPrefix $number . | trim | lower | trimSuffix "b" -}}
{{- $power := dict "k" 1 "m" 2 "g" 3 "t" 4 "p" 5 "e" 6 -}}
{{- $bytes := float64 $number -}}
{{- range until (get $power (trimSuffix "i" $unit) | default 0 | int) }}{{ $bytes = mulf $bytes (hasSuffix "i" $unit | ternary 1024 1000) }}{{ end -}}
{{- $bytes | toJson -}}
{{- end -}}

{{/* That a size, given as {what, size, least, shown}, is one that the driver takes. */}}
{{- define "ullage.checkSize" -}}
{{- $bytes := include "ullage.bytes" .size | float64 -}}
{{- if lt $bytes (float64 .least) }}{{ fail (printf "%s '%s' is too small: at least %s" .what .size .shown) }}{{ end -}}
{{- if gt $bytes 9223372036854771712.0 }}{{ fail (printf "%s '%s' is larger than any file can be" .what .size) }}{{ end -}}
{{- end -}}

{{- define "ullage.checkDefaults" -}}
{{- $xfs := eq .Values.defaults.fs "xfs" -}}
{{- include "ullage.checkSize" (dict "what" "defaults.size:" "size" .Values.defaults.size "least" ($xfs | ternary 314572800 20000000) "shown" ($xfs | ternary "300Mi, with fs: xfs" "20MB")) -}}
{{- end -}}

{{/* What the schema cannot say. */}}
{{- define "ullage.check" -}}
{{- include "ullage.checkPools" . -}}
{{- include "ullage.checkClasses" . -}}
{{- include "ullage.checkDefaults" . -}}
{{- if and .Values.prometheusRule.enabled (not .Values.podMonitor.enabled) }}{{ fail "prometheusRule.enabled needs podMonitor.enabled: without it there are no numbers" }}{{ end -}}
{{- end -}}
