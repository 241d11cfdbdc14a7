//! The alert, in a pod.
