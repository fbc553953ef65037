"""Images without a builder: OCI archives written from files, for nodes that pull from nowhere."""
