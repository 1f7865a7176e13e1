import torch

from msdae.nn.discriminators import MultiBandDiscriminator, decoder_losses, discriminator_loss


def spectrograms():
    generator = torch.Generator().manual_seed(0)
    recorded = torch.randn(4, 16, 65, generator=generator)
    return recorded, recorded.mean(dim=1, keepdim=True).expand_as(recorded)  # blurred over time


def test_it_learns_to_tell_blurred_spectrograms():
    torch.manual_seed(0)
    real, fake = spectrograms()
    network = MultiBandDiscriminator(width=4)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(40):
        loss = discriminator_loss(network(real), network(fake)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.5 and losses[-1] < 0.5


def test_a_decoder_without_fault_has_no_distance_and_gets_gradients_everywhere():
    torch.manual_seed(0)
    real, fake = spectrograms()
    network = MultiBandDiscriminator(width=4)
    assert decoder_losses(network(real), network(real.clone()))[1].max() == 0
    fake = fake.clone().requires_grad_(True)
    score, distance = decoder_losses(network(real), network(fake))
    assert score.shape == distance.shape == (4,) and distance.min() > 0
    (score + distance).mean().backward()
    assert (fake.grad != 0).float().mean() > 0.9
