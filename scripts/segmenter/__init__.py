"""How the weights of t2disc's segmenter are made: images real and simulated, augmentation, network, loss, export."""
