/** Questions to a town library and their answers, for visitors who have no text at hand. */

const pairs = [
  ["How long can I keep a book?", "Loans run for four weeks and can be extended twice, unless somebody has reserved the title."],
  ["What happens if I bring something back late?", "Each day over the due date costs ten cents per item, children's books excepted."],
  ["I lost my card", "Come to the desk with an identity document; a replacement costs three euros and the old number is blocked at once."],
  ["Can I borrow without living in town?", "Anyone with an address in the district may join; others pay a yearly fee of fifteen euros."],
  ["Is there a place to study quietly?", "The reading room on the second floor has forty desks, and conversation is not allowed there."],
  ["Do you have wifi?", "Wireless internet is free everywhere in the building; the password is printed on your receipt."],
  ["Where can I print?", "Two printers stand beside the lifts. A page costs five cents, in colour twenty."],
  ["When do you open on Saturdays?", "At the weekend the doors are open from ten until four, and the return box outside never closes."],
  ["Are you open on public holidays?", "We are shut on every public holiday and on the last working day of the year."],
  ["How do I reserve a title that is out?", "Press the bell beside the entry in the catalogue, and we write to you when it has come back."],
  ["Can you get a book from elsewhere?", "Interlibrary loan brings works from other collections in about ten days, for two euros each."],
  ["What can my child borrow?", "Under twelve, a card is free and allows eight items at a time, with a parent's signature."],
  ["Are there events for families?", "Every Wednesday at four somebody reads picture books aloud in the cellar theatre."],
  ["May I bring my dog?", "Only assistance animals can come in; there are hooks and a water bowl by the entrance."],
  [
    "Is the building accessible with a wheelchair?",
    "A ramp leads to the side door, lifts reach all floors, and the toilets on the first one are wide.",
  ],
  ["Can I eat in the library?", "Drinks with a lid are fine everywhere; food belongs in the café on the ground floor."],
  ["Do you take donations of old novels?", "Gifts are welcome if they are clean and less than ten years old: hand them in on Tuesdays."],
  ["What do you do with books nobody reads any more?", "Withdrawn volumes are sold for one euro at the flea market in May."],
  ["How do I read on my e-reader?", "The digital branch lends electronic books that open on most devices and return themselves."],
  ["Can I listen to audiobooks on my phone?", "Install the lending app, sign in with your number, and stream or download recordings."],
  ["How can I renew from home?", "Sign in to your account on the website and choose extend beside each title."],
  ["I forgot my PIN", "Use the link under the login field, and a new secret number arrives by email."],
  ["Can I pay with a phone?", "The machine at the desk accepts cards and mobile payment; coins work too."],
  ["How do I change my address?", "Write it into your profile online, or tell us at the counter with a bill that shows it."],
  ["I want to leave", "You can end your membership at any time; what remains of the annual fee is not paid back."],
  ["Where do I find maps of the region?", "Historical plans and walking charts hang in the drawers of the local collection, third floor."],
  ["Do you keep old newspapers?", "The town gazette since 1871 can be read on film, and from 1950 on as scans."],
  [
    "Can somebody help me find my ancestors?",
    "On the first Monday of the month volunteers assist with family history and parish registers.",
  ],
  ["Is there a meeting room for our club?", "Groups can book the blue room for up to twenty people, free of charge for associations."],
  ["Can I use a sewing machine here?", "The workshop lends tools by the hour: a loom, two sewing machines and a laser cutter."],
  ["Do you lend things other than books?", "Board games, telescopes, seeds and musical instruments can be taken home as well."],
  ["How do I suggest a purchase?", "Fill in the wish form with author and title; the editors decide within two weeks."],
  ["I would like to work for you", "Open positions and apprenticeships are listed on the city's careers page."],
  ["Can I volunteer?", "Helpers shelve, read aloud or visit housebound readers: ask for Ms Aydin on the first floor."],
  ["Do you help with homework?", "Students tutor pupils from Monday to Thursday between three and six, without an appointment."],
  [
    "Is there help with learning the language?",
    "A conversation circle for newcomers meets on Fridays, and course books are in the yellow shelf.",
  ],
  ["Where can I leave my bag?", "Lockers by the entrance take a one-euro coin, which you get back."],
  ["How many items may I have at once?", "Adults can hold thirty pieces of all kinds, of which five may be films."],
  ["Why can't I borrow this one?", "Volumes with a red dot are for use in the house only."],
  ["What do you do with my data?", "What you borrowed is erased when it is returned; only open fees are kept, for one year."],
] as const;

/** As a table that the page reads like any other. */
export const exampleFile = (): File =>
  new File([`question,answer\n${pairs.map((pair) => pair.map((text) => `"${text}"`).join(",")).join("\n")}\n`], "town-library.csv");
