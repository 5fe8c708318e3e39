// Shown as chips. The texts are those of samples/questions.jsonl.

export const examples = [
  {
    lang: "ja",
    name: "ベル",
    question: "グラハム・ベルはどこで生まれましたか?",
    context:
      "アレクサンダー・グラハム・ベルは、電話の発明で知られる科学者・発明家である。1847年3月3日にスコットランドのエディンバラで生まれ、のちにカナダを経てアメリカ合衆国へ渡った。父も祖父も発声と話し方の専門家で、ベル自身も耳の不自由な人への教育に長く取り組んだ。1876年に電話の特許を得て、1922年にカナダのノバスコシア州で亡くなった。",
  },
  {
    lang: "ja",
    name: "返品",
    question: "返品はいつまでにすればよいですか?",
    context:
      "【返品について】\n未使用の商品に限り、返品を承ります。返品をご希望の場合は、商品到着後14日以内にお客様窓口までご連絡ください。\n\n【送料について】\nお客様のご都合による返品の送料は、お客様のご負担となります。不良品の場合は当店が負担いたします。",
  },
  {
    lang: "ja",
    name: "𠮷田さん",
    question: "𠮷田さんの店の定休日は何曜日ですか?",
    context:
      "𠮷田さんは駅前で小さなパン屋🍞を営んでいる。店は朝七時に開き、人気のあんパン😋は昼前に売り切れることが多い。定休日は火曜日で、その日は家族👨‍👩‍👧‍👦と畑に出る。",
  },
  {
    lang: "en",
    name: "Python",
    question: "Who created the Python programming language?",
    context:
      "Python is a programming language that values readable code. Guido van Rossum created it in the Netherlands and released the first version in 1991. Its name comes from a British comedy group, not from the snake.",
  },
  {
    lang: "en",
    name: "Eiffel Tower",
    question: "When was the Eiffel Tower opened?",
    context:
      "The Eiffel Tower was built for the World's Fair in Paris and opened in 1889. Many artists protested against it at first. It was meant to stand for twenty years, but its use as a radio mast saved it.",
  },
];
