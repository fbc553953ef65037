"""Real nodes beside the simulated ones: kubelet, containerd and kube-proxy in namespaces of their own."""
