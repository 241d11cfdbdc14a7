{{/* The objects with fields that cannot change: what they shall be, for the objects themselves and for the upgrade. */}}

{{- define "ullage.csiDriver" -}}
attachRequired: false
fsGroupPolicy: File
podInfoOnMount: true
requiresRepublish: false
seLinuxMount: false
storageCapacity: true
volumeLifecycleModes: [Persistent]
{{- end -}}

{{/* Of a StorageClass, given as {class, root}: the fields that cannot change, as JSON. */}}
{{- define "ullage.fixed" -}}
{{- $parameters := dict -}}
{{- range $key, $value := .class.parameters }}{{ $_ := set $parameters $key (kindIs "float64" $value | ternary (printf "%.0f" (float64 $value)) (toString $value)) }}{{ end -}}
{{- $fixed := dict "provisioner" .root.Values.driverName "reclaimPolicy" (.class.reclaimPolicy | default "Delete") "volumeBindingMode" "WaitForFirstConsumer" -}}
{{- if $parameters }}{{ $_ := set $fixed "parameters" $parameters }}{{ end -}}
{{- toJson $fixed -}}
{{- end -}}

{{/* The classes that are made, as a JSON list: those that are optional only where a pool can serve them. */}}
{{- define "ullage.classes" -}}
{{- $classes := list -}}
{{- range .Values.storageClasses -}}
  {{- if not (and .optional (include "ullage.unfit" (dict "class" . "root" $))) }}{{ $classes = append $classes . }}{{ end -}}
{{- end -}}
{{- toJson $classes -}}
{{- end -}}

{{/*
Of a StorageClass, given as {class, root}: why no pool can serve it; empty where one can. As the driver looks for its pool: the one that
is named, or the first, or the first with the backend asked for.
*/}}
{{- define "ullage.unfit" -}}
{{- $asked := .class.parameters | default dict -}}
{{- $pool := dict -}}
{{- $other := dict -}}
{{- $names := list -}}
{{- range .root.Values.pools -}}
  {{- $names = append $names .name -}}
  {{- if and (not $pool) (or (not $asked.pool) (eq .name ($asked.pool | default ""))) -}}
    {{- $backend := .backend | default "loop" -}}
    {{- if or (not $asked.backend) (eq $backend ($asked.backend | default "")) }}{{ $pool = dict "name" .name "backend" $backend }}{{ else }}{{ $other = dict "name" .name "backend" $backend }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- if and (not $pool) $asked.pool $other -}}
pool '{{ $other.name }}' has backend {{ $other.backend }}, and {{ $asked.backend }} is asked for
{{- else if and (not $pool) $asked.pool -}}
pool '{{ $asked.pool }}' is not among pools: {{ $names | sortAlpha | join ", " }}
{{- else if not $pool -}}
no pool has backend {{ $asked.backend }}: add one to pools, or take the class away
{{- else -}}
  {{- $has := printf "its pool '%s' has backend %s" $pool.name $pool.backend -}}
  {{- $strange := list -}}
  {{- range (eq $pool.backend "quota" | ternary (list "sparse" "fs" "csi.storage.k8s.io/fstype" "directIo") (list "inodeLimit")) -}}
    {{- if hasKey $asked . }}{{ $strange = append $strange . }}{{ end -}}
  {{- end -}}
  {{- if and (not $strange) (eq $pool.backend "quota") -}}
    {{- $ofMounts := list "defaults" "relatime" "rw" "ro" "suid" "nosuid" "dev" "nodev" "exec" "noexec" "atime" "noatime" "diratime" "nodiratime" "strictatime" "nosymfollow" "" -}}
    {{- range .class.mountOptions }}{{ range splitList "," . }}{{ if not (has (trim .) $ofMounts) }}{{ $strange = append $strange (printf "mountOptions: %s" .) }}{{ end }}{{ end }}{{ end -}}
  {{- end -}}
  {{- with $strange -}}
{{ $has }}, where '{{ first . }}' means nothing: name a pool with backend {{ eq $pool.backend "quota" | ternary "loop" "quota" }}, or take it away
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* What the schema cannot say of classes. */}}
{{- define "ullage.checkClasses" -}}
{{- $classes := dict -}}
{{- range .Values.storageClasses -}}
  {{- if hasKey $classes .name }}{{ fail (printf "storageClasses: the name '%s' is there twice" .name) }}{{ end -}}
  {{- $_ := set $classes .name true -}}
  {{- $unfit := include "ullage.unfit" (dict "class" . "root" $) -}}
  {{- if and $unfit (not .optional) }}{{ fail (printf "storageClasses: '%s': %s" .name $unfit) }}{{ end -}}
{{- end -}}
{{- $defaults := 0 -}}
{{- range include "ullage.classes" . | fromJsonArray }}{{ if .default }}{{ $defaults = add1 $defaults }}{{ end }}{{ end -}}
{{- if gt (int $defaults) 1 }}{{ fail "storageClasses: only one can be the default" }}{{ end -}}
{{- end -}}
