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
