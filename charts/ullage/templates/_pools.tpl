{{/* What the schema cannot say of pools. */}}
{{- define "ullage.checkPools" -}}
{{- $names := dict -}}
{{- $paths := dict -}}
{{- range $pool := .Values.pools -}}
  {{- if hasKey $names .name }}{{ fail (printf "pools: the name '%s' is there twice" .name) }}{{ end -}}
  {{- $_ := set $names .name true -}}
  {{- range list .path (get (.image | default dict) "file") -}}
    {{- if has ".." (splitList "/" .) }}{{ fail (printf "pools: '%s' goes up by '..': write the path without it" .) }}{{ end -}}
  {{- end -}}
  {{- with get $paths (clean .path) }}{{ fail (printf "pools: '%s' and '%s' have the same path '%s'" . $pool.name (clean $pool.path)) }}{{ end -}}
  {{- $_ := set $paths (clean .path) .name -}}
{{- end -}}
{{- $images := dict -}}
{{- range $pool := .Values.pools -}}
  {{- $path := clean .path -}}
  {{- with include "ullage.liesIn" (dict "path" $path "others" $paths) }}{{ fail (printf "pools: '%s' lies in the pool '%s': pools lie side by side" $path .) }}{{ end -}}
  {{- $reserve := .reserve | default "0" -}}
  {{- $kept := include "ullage.bytes" (hasSuffix "%" $reserve | ternary "0" $reserve) | float64 -}}
  {{- if and $kept (lt $kept 1048576.0) }}{{ fail (printf "pools: '%s': reserve '%s' is next to nothing: write 5%% or 10Gi" .name $reserve) }}{{ end -}}
  {{- include "ullage.checkFree" (dict "path" $path "why" "" "root" $) -}}
  {{- if ne .backend "quota" -}}
    {{- range list "projectIds" "projectsFile" "image" -}}
      {{- if hasKey $pool . }}{{ fail (printf "pools: '%s' has %s, which only a pool with backend quota has: add `backend: quota`, or take it away" $pool.name .) }}{{ end -}}
    {{- end -}}
  {{- end -}}
  {{- with .projectIds -}}
    {{- $ends := splitList "-" (nospace .) -}}
    {{- if or (lt (int64 (first $ends)) 1) (gt (int64 (last $ends)) 4294967294) }}{{ fail (printf "pools: '%s': projectIds '%s': ids go from 1 to 4294967294" $pool.name .) }}{{ end -}}
    {{- if gt (int64 (first $ends)) (int64 (last $ends)) }}{{ fail (printf "pools: '%s': projectIds '%s': the first is larger than the last" $pool.name .) }}{{ end -}}
  {{- end -}}
  {{- if or .requireMountPoint .image -}}
    {{- $seen := include "ullage.seenAt" . -}}
    {{- $what := ternary "an image" "requireMountPoint" (hasKey . "image") -}}
    {{- if eq $seen "/" }}{{ fail (printf "pools: '%s' with %s lies in /: mount its disk one directory lower, such as /srv/ullage" .path $what) }}{{ end -}}
    {{- include "ullage.checkFree" (dict "path" $seen "why" (printf ", through which '%s' with %s is seen," $path $what) "root" $) -}}
  {{- end -}}
  {{- with .image -}}
    {{- include "ullage.checkSize" (dict "what" (printf "pools: '%s': the size of the image" $pool.name) "size" .size "least" 314572800 "shown" "300Mi") -}}
    {{- $file := clean .file -}}
    {{- if hasKey $images $file }}{{ fail (printf "pools: '%s' and '%s' have the same image '%s'" (get $images $file) $pool.name $file) }}{{ end -}}
    {{- $_ := set $images $file $pool.name -}}
    {{- with include "ullage.liesIn" (dict "path" $file "others" $paths) }}{{ fail (printf "pools: the image '%s' lies in the pool '%s': choose another directory" $file .) }}{{ end -}}
    {{- if eq (dir $file) "/" }}{{ fail (printf "pools: the image '%s' lies in /: choose another directory, such as /var/lib/ullage" $file) }}{{ end -}}
    {{- include "ullage.checkFree" (dict "path" (dir $file) "why" (printf ", the directory of the image '%s'," $file) "root" $) -}}
    {{- /* Nobody would make such a directory, as the one above it is mounted. */ -}}
    {{- range $.Values.pools -}}
      {{- if and (ne .backend "quota") (not .requireMountPoint) (include "ullage.liesIn" (dict "path" (clean .path) "others" (dict (include "ullage.seenAt" $pool) true))) -}}
        {{- fail (printf "pools: '%s' lies in %s, through which '%s' with an image is seen, and nobody would make it: give that one a directory of its own, such as %s/pool, or set requireMountPoint where the other is a disk" (clean .path) (include "ullage.seenAt" $pool) $path $path) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* That a directory can be mounted into the driver's container. */}}
{{- define "ullage.checkFree" -}}
{{- $path := printf "%s/" .path -}}
{{- range list .root.Values.kubeletDir "/dev" "/proc" "/sys" "/run/ullage" "/etc/ullage" "/host/etc" -}}
  {{- if or (hasPrefix (printf "%s/" .) $path) (hasPrefix $path (printf "%s/" .)) -}}
    {{- fail (printf "pools: '%s'%s lies in %s, or holds it: choose another directory" $.path $.why .) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* The place in the driver's container of the host's /etc, of which a pool of limits asks whose ids are; empty where there is none. */}}
{{- define "ullage.hostEtc" -}}
{{- range .Values.pools }}{{ if eq .backend "quota" }}/host/etc{{ break }}{{ end }}{{ end -}}
{{- end -}}

{{/* Whether a pool writes its names there. */}}
{{- define "ullage.writesEtc" -}}
{{- range .Values.pools }}{{ if .projectsFile }}true{{ break }}{{ end }}{{ end -}}
{{- end -}}

{{/* Where a pool is seen: its directory, or the one above where something is mounted on it. */}}
{{- define "ullage.seenAt" -}}
{{- if or .requireMountPoint .image }}{{ dir (clean .path) }}{{ else }}{{ clean .path }}{{ end -}}
{{- end -}}

{{/* Of a path, given with a dict of others: one of those that it lies in. */}}
{{- define "ullage.liesIn" -}}
{{- $path := .path -}}
{{- range $other, $_ := .others }}{{ if hasPrefix (printf "%s/" $other) $path }}{{ $other }}{{ break }}{{ end }}{{ end -}}
{{- end -}}

{{/*
The host's directories that the driver sees, as JSON: {path: {type: hostPath's type, propagation: mountPropagation}}. A pool that must be
a mounted disk, or is an image that the driver mounts, is seen through the directory above it: mounted itself, its path would be a mount
in the container always. None lies in another one, since a mount in a shared mount would appear on the host; only in that of an image a
pool may, as nothing gets out of it.
*/}}
{{- define "ullage.directories" -}}
{{- $wanted := dict -}}
{{- range .Values.pools -}}
  {{- $seen := include "ullage.seenAt" . -}}
  {{- if .image -}}
    {{- $_ := set $wanted $seen "DirectoryOrCreate" -}}
  {{- else if .requireMountPoint -}}
    {{- if ne (get $wanted $seen) "DirectoryOrCreate" }}{{ $_ := set $wanted $seen "Directory" }}{{ end -}}
  {{- else if not (hasKey $wanted $seen) -}}
    {{- $_ := set $wanted $seen "DirectoryOrCreate" -}}
  {{- end -}}
{{- end -}}
{{- $directories := dict -}}
{{- range $path, $type := $wanted -}}
  {{- if not (include "ullage.liesIn" (dict "path" $path "others" $wanted)) -}}
    {{- $_ := set $directories $path (dict "type" $type "propagation" "Bidirectional") -}}
  {{- end -}}
{{- end -}}
{{- range .Values.pools -}}
  {{- with .image -}}
    {{- $path := dir (clean .file) -}}
    {{- if not (or (hasKey $wanted $path) (include "ullage.liesIn" (dict "path" $path "others" $wanted))) -}}
      {{- $_ := set $directories $path (dict "type" "DirectoryOrCreate" "propagation" "HostToContainer") -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toJson $directories -}}
{{- end -}}
