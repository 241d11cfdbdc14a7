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

{{/*
The host's directories that hold the pools, as JSON: {path: hostPath's type}. A pool that must be a mounted disk is seen through the
directory above it: mounted itself, its path would be a mount in the container always. None lies in another one, since a mount in a
shared mount would appear on the host.
*/}}
{{- define "ullage.directories" -}}
{{- $wanted := dict -}}
{{- range .Values.pools -}}
  {{- $path := clean .path -}}
  {{- if .requireMountPoint -}}
    {{- if eq (dir $path) "/" -}}
      {{- fail (printf "pools: '%s' with requireMountPoint lies in /: mount its disk one directory lower, such as /srv/ullage" .path) -}}
    {{- end -}}
    {{- $_ := set $wanted (dir $path) "Directory" -}}
  {{- else if not (hasKey $wanted $path) -}}
    {{- $_ := set $wanted $path "DirectoryOrCreate" -}}
  {{- end -}}
{{- end -}}
{{- $outer := dict -}}
{{- range $path, $type := $wanted -}}
  {{- $inside := false -}}
  {{- range $other, $_ := $wanted -}}
    {{- if hasPrefix (printf "%s/" $other) $path }}{{ $inside = true }}{{ end -}}
  {{- end -}}
  {{- if not $inside }}{{ $_ := set $outer $path $type }}{{ end -}}
{{- end -}}
{{- toJson $outer -}}
{{- end -}}

{{/* What the schema cannot say. */}}
{{- define "ullage.check" -}}
{{- $names := dict -}}
{{- range .Values.pools -}}
  {{- if hasKey $names .name }}{{ fail (printf "pools: the name '%s' is there twice" .name) }}{{ end -}}
  {{- $_ := set $names .name true -}}
  {{- $path := printf "%s/" (clean .path) -}}
  {{- range list $.Values.kubeletDir "/dev" "/proc" "/sys" "/run/ullage" "/etc/ullage" -}}
    {{- if or (hasPrefix (printf "%s/" .) $path) (hasPrefix $path (printf "%s/" .)) -}}
      {{- fail (printf "pools: '%s' lies in %s, or holds it: choose another directory" (trimSuffix "/" $path) .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $classes := dict -}}
{{- $defaults := 0 -}}
{{- range .Values.storageClasses -}}
  {{- if hasKey $classes .name }}{{ fail (printf "storageClasses: the name '%s' is there twice" .name) }}{{ end -}}
  {{- $_ := set $classes .name true -}}
  {{- if .default }}{{ $defaults = add1 $defaults }}{{ end -}}
  {{- with (.parameters | default dict).pool -}}
    {{- if not (hasKey $names .) }}{{ fail (printf "storageClasses: pool '%s' is not among pools: %s" . (keys $names | sortAlpha | join ", ")) }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- if gt $defaults 1 }}{{ fail "storageClasses: only one can be the default" }}{{ end -}}
{{- if and .Values.prometheusRule.enabled (not .Values.podMonitor.enabled) }}{{ fail "prometheusRule.enabled needs podMonitor.enabled: without it there are no numbers" }}{{ end -}}
{{- end -}}
