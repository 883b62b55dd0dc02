//! What happens in the demo, chapter by chapter.

use super::{
    DemoError, Story,
    say::{copied, read, wrote},
};
use std::io::Write;

impl<W: Write> Story<'_, W> {
    pub(super) async fn both_online(&mut self) -> Result<(), DemoError> {
        self.heading("1. Anna and Ben are both online")?;
        let (question, answer) = ("Shall we meet on Friday?", "Gladly, at eight.");
        self.anna.first.write(&self.ben.phone, question).await?;
        wrote(self.out, self.anna.name, &self.ben, question)?;
        read(self.out, &mut self.ben.first, &self.anna, question).await?;
        self.ben.first.write(&self.anna.phone, answer).await?;
        wrote(self.out, self.ben.name, &self.anna, answer)?;
        read(self.out, &mut self.anna.first, &self.ben, answer).await?;
        self.show("What the server has kept of that, every row:", 0).await?;
        self.say(
            "Delivered letters are deleted. What stays are spent tokens, random numbers that name \
             nobody: one for each request, so that none is answered twice.",
        )
    }

    pub(super) async fn ben_away(&mut self) -> Result<(), DemoError> {
        self.heading("2. Ben's phone is off; Anna and Chloe write to him")?;
        self.ben.first.switch_off();
        let (first, second) = ("Can you bring the maps?", "Hello Ben, it is Chloe.");
        self.anna.first.write(&self.ben.phone, first).await?;
        wrote(self.out, self.anna.name, &self.ben, first)?;
        self.chloe.first.write(&self.ben.phone, second).await?;
        wrote(self.out, self.chloe.name, &self.ben, second)?;
        self.show("What the server keeps until Ben is back, every row:", 2).await?;
        self.say(
            "The server knows that two letters wait for Ben, their size class and the hour. Which \
             one is Anna's? No row says, and no column could: her number and Chloe's are nowhere \
             in these tables.",
        )
    }

    pub(super) async fn ben_back(&mut self) -> Result<(), DemoError> {
        self.heading("3. Ben is back")?;
        self.ben.first.switch_on().await?;
        read(self.out, &mut self.ben.first, &self.anna, "Can you bring the maps?").await?;
        read(self.out, &mut self.ben.first, &self.chloe, "Hello Ben, it is Chloe.").await?;
        let answer = "Hello Chloe! Good to hear from you.";
        self.ben.first.write(&self.chloe.phone, answer).await?;
        wrote(self.out, self.ben.name, &self.chloe, answer)?;
        read(self.out, &mut self.chloe.first, &self.ben, answer).await?;
        self.show("What the server has kept of that, every row:", 0).await
    }

    /// One code, six digits, one touch: Ben's laptop becomes his second device.
    pub(super) async fn ben_links(&mut self) -> Result<(), DemoError> {
        self.heading("4. Ben links his laptop, while his phone is on")?;
        let code = self.ben.offer_link().await?;
        writeln!(self.out, "  The laptop shows a code:\n{:>5} {code}", '#')?;
        let digits = self.ben.approve_link(&code).await?;
        writeln!(self.out, "  Typed at the phone, which shows:\n{:>5} {digits}", '#')?;
        self.ben.join(&digits, &mut rand::make_rng()).await?;
        writeln!(self.out, "  Typed at the laptop; a touch at the phone,")?;
        writeln!(self.out, "  a passkey of the laptop's own: linked.")?;
        self.say(
            "The account's keys went from one to the other under the code, which the server never \
             saw. Signing in alone would have added nothing.",
        )?;
        writeln!(self.out)?;
        let (letter, answer) = ("Do you get this twice?", "On both, and once on each.");
        self.anna.first.write(&self.ben.phone, letter).await?;
        wrote(self.out, self.anna.name, &self.ben, letter)?;
        read(self.out, &mut self.ben.first, &self.anna, letter).await?;
        read(self.out, &mut self.ben.second, &self.anna, letter).await?;
        self.ben.second.write(&self.anna.phone, answer).await?;
        wrote(self.out, &self.ben.second.name, &self.anna, answer)?;
        read(self.out, &mut self.anna.first, &self.ben, answer).await?;
        copied(self.out, &mut self.ben.first, answer).await?;
        self.show("What the server has kept of that, every row:", 0).await
    }

    /// A letter and a copy wait for the same device, and look the same.
    pub(super) async fn phone_away(&mut self) -> Result<(), DemoError> {
        self.heading("5. Ben's phone is off, his laptop is on")?;
        self.ben.first.switch_off();
        let (letter, answer) = ("Bring a coat.", "I will, thank you.");
        self.anna.first.write(&self.ben.phone, letter).await?;
        wrote(self.out, self.anna.name, &self.ben, letter)?;
        read(self.out, &mut self.ben.second, &self.anna, letter).await?;
        self.ben.second.write(&self.anna.phone, answer).await?;
        wrote(self.out, &self.ben.second.name, &self.anna, answer)?;
        read(self.out, &mut self.anna.first, &self.ben, answer).await?;
        self.show("What the server keeps for the phone, every row:", 2).await?;
        self.say(
            "Two letters wait for one of Ben's devices: Anna's, and what Ben's laptop tells his \
             phone of the answer. It left at a random time, on a connection of its own. No row \
             says which is which, or that either has to do with Anna.",
        )?;
        self.ben.first.switch_on().await?;
        writeln!(self.out)?;
        read(self.out, &mut self.ben.first, &self.anna, letter).await?;
        copied(self.out, &mut self.ben.first, answer).await?;
        self.show("What the server has kept of everything, every row:", 0).await
    }

    pub(super) fn conclude(&mut self) -> Result<(), DemoError> {
        self.say(
            "All nine letters arrived, on every device, and each reader saw who wrote. The server stored nothing \
             that tells. What an operator could still learn by watching connections while they \
             happen is said in docs/threat-model.md.",
        )
    }
}
