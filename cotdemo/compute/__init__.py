"""What models compute on and with: linear layers, files of weights, hardware, several processes."""
