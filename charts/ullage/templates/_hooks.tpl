{{/* What the hooks of uninstalling and upgrading share: an account, its binding, and a Job with our own image. */}}

{{/* A Job that failed stays until the next attempt, so that its log can be read. */}}
{{- define "ullage.hook" -}}
helm.sh/hook: {{ .hook }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "ullage.hookAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "ullage.labels" .root | nindent 4 }}
  annotations: {{- include "ullage.hook" (dict "hook" .hook "weight" "-2") | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
  labels: {{- include "ullage.labels" .root | nindent 4 }}
  annotations: {{- include "ullage.hook" (dict "hook" .hook "weight" "-1") | nindent 4 }}
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ .name }} }
subjects:
  - { kind: ServiceAccount, name: {{ .name }}, namespace: {{ .root.Release.Namespace }} }
{{- if .root.Values.openshift.scc }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}-scc
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "ullage.labels" .root | nindent 4 }}
  annotations: {{- include "ullage.hook" (dict "hook" .hook "weight" "-1") | nindent 4 }}
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:openshift:scc:nonroot-v2" }
subjects:
  - { kind: ServiceAccount, name: {{ .name }}, namespace: {{ .root.Release.Namespace }} }
{{- end }}
{{- end -}}

{{- define "ullage.hookJob" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "ullage.labels" .root | nindent 4 }}
  annotations: {{- include "ullage.hook" (dict "hook" .hook "weight" "0") | nindent 4 }}
    # What it says is what `helm` prints.
    helm.sh/hook-output-log-policy: hook-failed
spec:
  backoffLimit: 0
  activeDeadlineSeconds: 120
  template:
    metadata:
      labels:
        app.kubernetes.io/name: ullage
        app.kubernetes.io/instance: {{ .root.Release.Name }}
        app.kubernetes.io/component: hook
    spec:
      serviceAccountName: {{ .name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      restartPolicy: Never
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      # Not those of the driver: whoever tolerates everything may be put on a node that is gone.
      tolerations:
        - { key: node-role.kubernetes.io/control-plane, operator: Exists }
      {{- range .root.Values.tolerations }}
        {{- if .key }}
        - {{ toJson . }}
        {{- end }}
      {{- end }}
      containers:
        - name: ullage
          image: {{ include "ullage.ownImage" .root }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: {{- toYaml .args | nindent 12 }}
          resources:
            requests: { cpu: 10m, memory: 16Mi }
          securityContext: {{- include "ullage.restricted" .root | nindent 12 }}
          volumeMounts:
            - {{ include "ullage.tokenMount" .root }}
      volumes:
        - {{ include "ullage.token" .root | nindent 10 | trim }}
{{- end -}}
